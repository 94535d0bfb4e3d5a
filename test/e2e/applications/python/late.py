"""Waits until its first executors have gone, then needs new ones: `RESULT {…}`. The argument is how long, in seconds."""

import json
import sys
import time

from pyspark.sql import SparkSession


def read(_):
    with open("conf.json") as opened:
        return json.load(opened)["name"]


spark = SparkSession.builder.appName("late").getOrCreate()
context = spark.sparkContext


def work():
    # Without a shuffle, whose files would keep the executors from leaving.
    return sorted(set(context.parallelize(range(2), 2).map(read).collect()))


def executor_count():
    return context._jsc.sc().getExecutorMemoryStatus().size() - 1


early = work()
print("EARLY", flush=True)
until = time.monotonic() + float(sys.argv[1])
while time.monotonic() < until:
    time.sleep(1)
idle = executor_count()
late = work()
print("RESULT " + json.dumps({"early": early, "idle": idle, "late": late}, sort_keys=True), flush=True)
spark.stop()
