"""The pure floor: what a call is and what follows from what, without loop, clock, randomness or logging."""
