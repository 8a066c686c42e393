"""Quality holds and recalls: a maker stops a part, a batch or serial numbers wherever they are, and hears from each holder."""
