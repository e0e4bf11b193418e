"""The data: `mnist` (found or downloaded), `synthetic` (drawn), and `idx`, the format of both."""
