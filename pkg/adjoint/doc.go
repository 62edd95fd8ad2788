// Package adjoint solves one ODE block forwards and differentiates that solve.
//
// For dx/dt = F(t, x, theta), a loss L of x(t1) and of costs along the path, and a = dL/dx(t), it integrates from t1 to t0
//
//	dx/dt = F      da/dt = -F_x^T a - l_x      dQ_theta/dt = -F_theta^T a - l_theta     (paper, equations 3 to 5)
//
// so that a(t0) = dL/dx(t0) and Q_theta(t0) = dL/dtheta. Three methods differ in where x(t) comes from:
//
//	backsolve      x is solved backwards beside a: memory does not depend on the number of steps (the paper's)
//	interpolated   x is the dense output of a forward solve that is done again and kept
//	checkpointed   no second ODE: the forward solve's own steps are differentiated, the last one first
//
// The vectors q_i of Proposition 2 obey the equation of a. For rank 1 they are a, scaled, and need no state of their
// own; p_i and any rank are in vectors.go, Theorem 1 in theorem1.go, the adjoint of the adjoint in recursive.go. Kronecker
// factors (13) are sampled along the backward solve, on a uniform grid or at the solver's own stages.
//
// The package calls ode.Solve; the solver knows nothing of it.
package adjoint
