"""The packed public data of the demo, and the only code of the demo that reads or writes files.

``pack.py`` makes the tables from the public downloads, ``read.py`` reads them back. Licences: LICENCES/README.md.
"""
