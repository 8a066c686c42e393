"""One file per job a person does in the browser."""
