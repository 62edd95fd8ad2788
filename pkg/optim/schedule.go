package optim

import (
	"fmt"
	"math"
)

// A schedule is the factor that all learning rates have at a step, counted from 0:
//
//	constant    1
//	multistep   gamma^(number of milestones <= step)                                   (torch MultiStepLR)
//	cosine      (1 + cos(pi u)) / 2,  u = (step - warm-up) / (total - warm-up) in [0, 1]  (torch CosineAnnealingLR)
//
// times (step + 1) / warm-up while step < warm-up. Milestones and total count from step 0 whatever the warm-up.

// Schedules names all of them; the first is the default.
var Schedules = []string{"constant", "multistep", "cosine"}

func scheduleNames() []string { return Schedules }

// factor is the schedule's factor at a step of complete settings.
func (s Settings) factor(step int64) float64 {
	f := 1.0
	switch s.Schedule {
	case "multistep":
		for _, m := range s.Milestones {
			if m <= step {
				f *= s.Gamma
			}
		}
	case "cosine":
		u := float64(step-s.WarmUp) / float64(s.TotalSteps-s.WarmUp)
		f = (1 + math.Cos(math.Pi*min(max(u, 0), 1))) / 2
	}
	if step < s.WarmUp {
		f *= float64(step+1) / float64(s.WarmUp)
	}
	return f
}

// checkSchedule returns ErrSetting if the schedule lacks a setting or leaves one without effect.
func (s Settings) checkSchedule() error {
	schedule := s.complete().Schedule
	for _, c := range []struct {
		name, of string
		given    bool
	}{
		{"milestones", "multistep", len(s.Milestones) > 0},
		{"gamma", "multistep", s.Gamma != 0},
		{"total-steps", "cosine", s.TotalSteps != 0},
	} {
		if c.given && schedule != c.of {
			return fmt.Errorf("%w: %s has no effect on the %s schedule", ErrSetting, c.name, schedule)
		}
		if !c.given && schedule == c.of && c.name != "gamma" {
			return fmt.Errorf("%w: the %s schedule needs %s", ErrSetting, schedule, c.name)
		}
	}
	if schedule == "cosine" && s.TotalSteps <= s.WarmUp {
		return fmt.Errorf("%w: total-steps %d is not beyond warm-up %d", ErrSetting, s.TotalSteps, s.WarmUp)
	}
	return nil
}
