package session

import (
	"fmt"
	"testing"
	"time"
)

func TestBrakeAllowsABurstAndThenOnePerInterval(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	b := newBrake(func() time.Time { return now }, 3, 10*time.Second)
	for i := range 3 {
		if wait := b.try("a"); wait != 0 {
			t.Fatalf("try %d waits %s", i, wait)
		}
	}
	if wait := b.try("a"); wait != 10*time.Second {
		t.Errorf("the fourth try waits %s, want 10s", wait)
	}
	if b.try("b") != 0 {
		t.Error("one name slowed another")
	}
	now = now.Add(10 * time.Second)
	if b.try("a") != 0 {
		t.Error("an interval later it still waits")
	}
	if b.try("a") == 0 {
		t.Error("two tries in one interval")
	}
	b.release("a")
	if b.try("a") != 0 {
		t.Error("a try that was given back was not free")
	}
	now = now.Add(time.Hour)
	for i := range 3 {
		if b.try("a") != 0 {
			t.Errorf("after a pause, try %d waits", i)
		}
	}
	if b.try("a") == 0 {
		t.Error("a pause saves up more than the burst")
	}
}

func TestBrakeForgetsThoseWhoOweNothing(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	b := newBrake(func() time.Time { return now }, 3, time.Second)
	for i := range 100_000 {
		b.try(fmt.Sprint(i))
		now = now.Add(10 * time.Millisecond)
	}
	if len(b.next) > 2*smallestSweep {
		t.Errorf("%d names are kept, though at most 300 owe anything", len(b.next))
	}
}
