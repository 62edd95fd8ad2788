// Package ode integrates dx/dt = f(t, x) from t0 to t1, forwards or backwards.
//
//	t0 --h--> t --h--> t --h--> t1        each arrow one step, its size chosen by the controller from the error norm
//	    \____________/ \_____/
//	     dense output   observe(*Dense) sees every accepted step and may ask for the state anywhere inside it
//
// Methods are explicit and, for stiff fields, implicit Runge-Kutta ones and multi-step ones. Those that torchdiffeq has
// follow it, step control included, down to the number of evaluations of f. The state is a list of parts, tensors of any
// backend; trailing parts may be integrals along the path, on which f does not depend. The samples of a batch step
// together or, on request, each by itself.
//
// Networks are absent on purpose: f is whatever implements Field. So are gradients: an adjoint is one more f, and
// calls Solve. A Runge-Kutta method is one file with its Tableau and one line in table.go.
package ode
