"""Reading what people upload: the only part of imports that opens files. Rows come out as text, in batches.

Nouns: survey (what kind of file, which encoding, whether it is sound), table (header, sample, how to read it),
batch (rows with their number in the file).
"""
