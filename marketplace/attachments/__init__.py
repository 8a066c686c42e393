"""Documents: certificates, photos and drawings of a part, a unit, a listing, an order or an order back, seen by whoever may see that."""
