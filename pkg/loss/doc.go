// Package loss judges the model's output: the loss of each sample and its gradient with respect to the output.
//
//	Phi(z, y) for one sample;   L = mean of Phi over the batch
//
// Outputs are small, so everything is float64 on the host. Gradients are of Phi, per sample: no 1/B in them.
package loss
