"""What the rooms share: checks, words, files, data at the door. No user needs to open it."""
