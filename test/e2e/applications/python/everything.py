"""Says what it finds of its dependencies, on the driver and on executors: `RESULT {…}`."""

import json
import os

from pyspark import SparkFiles
from pyspark.sql import SparkSession


def find():
    import packed
    import single

    with open("conf.json") as opened, open(SparkFiles.get("conf.json")) as got:
        return {
            "zip": packed.name,
            "module": single.name,
            "open": json.load(opened)["name"],
            "SparkFiles": json.load(got)["name"],
            "interpreter": os.environ.get("STAGED_INTERPRETER", "none"),
        }


spark = SparkSession.builder.appName("everything").getOrCreate()
executors = spark.sparkContext.parallelize(range(4), 4).map(lambda _: json.dumps(find(), sort_keys=True))
found = {"driver": find(), "executors": [json.loads(each) for each in sorted(set(executors.collect()))]}
print("RESULT " + json.dumps(found, sort_keys=True), flush=True)
spark.stop()
