import re

_WORD = re.compile(r"[a-z']+")


def words_of(line):
    """The words of a line in lower case, in order."""
    return _WORD.findall(line.lower())
