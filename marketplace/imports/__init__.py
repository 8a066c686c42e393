"""Imports: stock files from people and other systems, staged, validated, and applied without losing a row."""
