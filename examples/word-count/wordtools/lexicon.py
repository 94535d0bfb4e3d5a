import os


def read_words(path):
    """A file's words, one a line, as a set."""
    with open(path, encoding="utf-8") as file:
        return {line.strip() for line in file if line.strip()}


def read_topics(folder):
    """Word to topic, from a folder of files that are named after their topic."""
    return {
        word: os.path.splitext(name)[0]
        for name in sorted(os.listdir(folder))
        for word in read_words(os.path.join(folder, name))
    }
