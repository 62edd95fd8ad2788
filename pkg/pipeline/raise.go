package pipeline

import (
	"fmt"

	"odepipe/pkg/optim"
	"odepipe/pkg/wire"
)

// RaiseDamping multiplies the damping eps in a checkpoint's settings by a factor, and replaces the file. Nothing else of
// it changes. It returns optim.ErrSetting if its optimizer has no damping, wire.ErrInUse if another process is
// at it.
func RaiseDamping(path string, factor float64, l wire.Limits) error {
	lock, err := wire.LockCheckpoint(path)
	if err != nil {
		return err
	}
	defer lock.Close()
	c, err := wire.ReadCheckpoint(path, l)
	if err != nil {
		return err
	}
	s, err := optim.Parse(c.Extra[keyOptimizer])
	if err == nil {
		s, err = s.RaiseDamping(factor)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	c.Extra[keyOptimizer] = s.Text()
	return lock.Save(c)
}
