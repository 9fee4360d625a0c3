"""Opens a session of Spark, and says in one sentence what is missing for it."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from recsys.errors import ConfigError, LibraryMissing

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

USUAL = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.maxResultSize": "0",  # what a bundle holds comes back, however much it is
    # Each sweep of ALS hangs upon the one before: Java unpacks them one inside the other.
    "spark.executor.extraJavaOptions": "-Xss16m",
    "spark.driver.extraJavaOptions": "-Xss16m",
}
AT_HOME = {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
"""Where the cluster is this machine, nobody else need reach the driver."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Which cluster, and how it is to be used."""

    master: str = ""
    """As ``local[*]``, ``yarn`` or ``k8s://…``; where empty, what Spark's own settings say."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Spark's properties, as ``spark.executor.memory``."""


@contextmanager
def opened(cluster: Cluster) -> Iterator["SparkSession"]:
    """Open a session, and end it with the block.

    Raises ``LibraryMissing`` where PySpark or Java is missing, and ``ConfigError`` where the
    cluster does not answer.
    """
    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise LibraryMissing(
            "training on Spark needs PySpark, which is not installed; run: pip install"
            " 'recsys[spark]'"
        ) from error
    if not has_java():
        raise LibraryMissing(
            "training on Spark needs Java 17 or newer, and neither $JAVA_HOME nor the path holds"
            " java; on Debian: apt-get install openjdk-17-jre-headless"
        )
    # Else workers take whatever is called python3, and that one knows nothing of us.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    home = AT_HOME if cluster.master.startswith("local") else {}
    builder = SparkSession.builder.appName("recsys train")
    if cluster.master:
        builder = builder.master(cluster.master)
    for name, value in {**USUAL, **home, **cluster.settings}.items():
        builder = builder.config(name, value)
    try:
        spark = builder.getOrCreate()
    except (PySparkException, OSError) as error:
        raise _unusable(cluster, error) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "py4j":  # what Java says
            raise
        raise _unusable(cluster, error) from error
    spark.sparkContext.setLogLevel("ERROR")
    try:
        yield spark
    finally:
        spark.stop()


def has_java() -> bool:
    """Return whether there is a Java to start Spark with."""
    home = os.environ.get("JAVA_HOME")
    return bool(home and (Path(home) / "bin" / "java").exists()) or bool(shutil.which("java"))


def line_of(error: Exception, *words: str) -> str:
    """Return the first line of an error that holds one of ``words``, else its first, cut short.

    What Spark says may hold pages of Java.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = (line for line in lines if any(word in line for word in words))
    return next(told, "".join(lines[:1]))[:300]


def _unusable(cluster: Cluster, error: Exception) -> ConfigError:
    where = f"--master {cluster.master}" if cluster.master else "the cluster of Spark's settings"
    # Java's own words come after those of the bridge to it.
    reason = line_of(error, "Exception", "Error:")
    return ConfigError(
        f"{where} cannot be used: {reason}; expected a cluster that answers, as local[*], yarn or"
        " k8s://https://HOST:443, and sound --set options"
    )
