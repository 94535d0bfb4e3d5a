"""Counts the words of a text by topic.

Everything it uses besides Spark arrives as a staged file:
  wordtools     a Python package (--py-file wordtools.zip)
  stopwords.txt a data file       (--file stopwords.txt)
  lexicon       an archive        (--archive lexicon.tar.gz#lexicon)
"""

from operator import add

from pyspark import SparkFiles
from pyspark.sql import SparkSession
from wordtools.lexicon import read_topics, read_words
from wordtools.splitting import words_of

TEXT = [
    "The driver plans the job and the executors do the work.",
    "A river and a forest are older than any job.",
    "The executors read their share of the river of records.",
]


def topics_of(line):
    """Runs on an executor, so it opens the files that are there."""
    stopwords = read_words(SparkFiles.get("stopwords.txt"))
    topics = read_topics(SparkFiles.get("lexicon"))
    return [(topics.get(word, "other"), 1) for word in words_of(line) if word not in stopwords]


def main():
    spark = SparkSession.builder.appName("word-count").getOrCreate()
    counts = spark.sparkContext.parallelize(TEXT, 3).flatMap(topics_of).reduceByKey(add).collect()
    for topic, count in sorted(counts):
        print(f"{topic}: {count}")
    spark.stop()


if __name__ == "__main__":
    main()
