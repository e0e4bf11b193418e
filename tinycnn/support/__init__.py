"""What the other packages share: checks, printing, files. No user needs to look inside."""
