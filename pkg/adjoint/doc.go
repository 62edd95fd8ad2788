// Package adjoint differentiates a solve by solving again, backwards.
//
// For dx/dt = F(t, x, theta), a loss L of x(t1) and a = dL/dx(t1) it integrates from t1 to t0, in one solve,
//
//	dx/dt = F      da/dt = -F_x^T a      dQ_theta/dt = -F_theta^T a      (paper, equations 3 to 5)
//
// so that a(t0) = dL/dx(t0) and Q_theta(t0) = dL/dtheta, with memory that does not depend on the number of steps.
// The vectors q_i of Proposition 2 obey the equation of a; for rank 1 they are a, scaled, and need no state of their
// own. Along the way Kronecker factors (13) are sampled on a uniform grid from the dense output: no step is forced.
//
// The package calls ode.Solve; the solver knows nothing of it.
package adjoint
