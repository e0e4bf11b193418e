"""The ways out: other libraries' files and interfaces, each behind an extra of its own."""
