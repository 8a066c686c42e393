"""Notifications: who is told what, and how: in the app, by mail at once, or by one mail a day.

A *notification* is what one person was told of one event, in the words of its mail. A *kind* is what it is about; a person chooses how
it is told of each. A *digest* is the one mail of a day.
"""
