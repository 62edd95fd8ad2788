//go:build nolapack || !((linux || darwin) && (amd64 || arm64))

package eigen

// library is a LAPACK that was found; in this build none is looked for.
type library struct {
	name   string
	dsyevd uintptr
}

func lapack() library { return library{} }

func (library) symmetric(int, []float64, []float64, int) error {
	panic("eigen: no LAPACK on this platform")
}
