"""Files of other libraries, read and written; each needs an extra of its own."""
