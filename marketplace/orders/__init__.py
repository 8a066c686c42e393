"""Orders: a partner's purchase, one record both sides see, from reserving the units to receiving them."""
