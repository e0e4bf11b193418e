"""The data: `mnist` (found or downloaded), `synthetic` (drawn), `digits` (whichever can be had).

`idx` is the format of all of them.
"""
