"""Says which interpreter runs it, on the driver and on executors: `RESULT {…}`."""

import json
import os

from pyspark.sql import SparkSession

spark = SparkSession.builder.appName("interpreter").getOrCreate()
executors = spark.sparkContext.parallelize(range(4), 4).map(
    lambda _: os.environ.get("STAGED_INTERPRETER", "none")
)
found = {
    "driver": os.environ.get("STAGED_INTERPRETER", "none"),
    "executors": sorted(set(executors.collect())),
}
print("RESULT " + json.dumps(found, sort_keys=True), flush=True)
spark.stop()
