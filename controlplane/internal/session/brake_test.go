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

// TestAStrangerDoesNotKeepTheOwnerOut: wrong tries from one network end there,
// however many they are and however many addresses it has.
func TestAStrangerDoesNotKeepTheOwnerOut(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	s := NewService(nil, nil, func() time.Time { return now })
	let := 0
	for i := range 1000 {
		now = now.Add(100 * time.Millisecond)
		if s.slowDown("ada@example.com", fmt.Sprintf("2001:db8:1:2::%x", i)) == nil {
			let++
		}
	}
	if let > 30 {
		t.Errorf("one network had %d guesses in 100 seconds", let)
	}
	if err := s.slowDown("ada@example.com", "198.51.100.7"); err != nil {
		t.Errorf("the owner, elsewhere: %v", err)
	}
	if err := s.slowDown("ada@example.com", "2001:db8:1:3::1"); err != nil {
		t.Errorf("the owner, on another network: %v", err)
	}
}

// TestGuessesFromEverywhereAreFew: an account has an end of tries too, wherever
// they come from.
func TestGuessesFromEverywhereAreFew(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	s := NewService(nil, nil, func() time.Time { return now })
	let := 0
	for i := range 1000 {
		if s.slowDown("ada@example.com", fmt.Sprintf("198.51.%d.%d", i>>8, i&255)) == nil {
			let++
		}
	}
	if let != 100 {
		t.Errorf("%d guesses at once, want 100", let)
	}
}

func TestNetworks(t *testing.T) {
	for given, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::/64",
		"2001:db8::ffff:0:0:1": "2001:db8::/64", "fe80::1%eth0": "fe80::/64", "": "", "unknown": "unknown",
	} {
		if got := network(given); got != want {
			t.Errorf("%s counts as %s, want %s", given, got, want)
		}
	}
}
