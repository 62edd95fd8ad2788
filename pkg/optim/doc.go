// Package optim changes parameters by their gradients: one Step for each mini-batch.
//
//	snopt   l2 -> kfac.Precondition by layer -> trust region -> momentum -> theta -= lr d   (SNOpt paper, Algorithm 2)
//	newton  l2 -> g / (|diag H| + eps)  -> momentum -> theta -= lr d                        (baseline of Fig. 11)
//	sgd     l2 -> momentum, Nesterov -> theta -= lr d                                       (as torch.optim.SGD)
//	adam    l2 -> moments            -> theta -= lr m / (sqrt v + eps)                      (as torch.optim.Adam)
//	adamw   moments, decay beside the gradient                                              (as torch.optim.AdamW)
//
// Parameters are divided into groups by their names; a schedule scales all rates; the end times of ODE blocks may be
// trained or drawn beside them. Everything that later steps depend on is in Settings, in State, in the end times, and in
// the number of the step, so that a checkpoint continues to the bit. Absent on purpose: streams and files, the network,
// and anything that evaluates the loss: it is looked at where a mini-batch tells it.
package optim
