"""Real requests, asked again of the demo world: who asks for what, what became of each, and proof that no unit was promised twice."""
