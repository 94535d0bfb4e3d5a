"""Says how large the staged file of a given name is, on the driver: `RESULT {…}`."""

import json
import os
import sys

from pyspark.sql import SparkSession

spark = SparkSession.builder.appName("sizes").getOrCreate()
print("RESULT " + json.dumps({"bytes": os.path.getsize(sys.argv[1])}), flush=True)
spark.stop()
