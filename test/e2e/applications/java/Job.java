import java.util.List;
import java.util.stream.Collectors;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;

/** Says what it finds of its jars, on the driver and on executors: `RESULT driver=… executors=…`. */
public class Job {
  public static void main(String[] arguments) throws Exception {
    SparkSession session = SparkSession.builder().appName("java-job").getOrCreate();
    JavaSparkContext context = new JavaSparkContext(session.sparkContext());
    List<String> found =
        context.parallelize(List.of(1, 2, 3, 4), 4).map(number -> find()).distinct().collect().stream()
            .sorted()
            .collect(Collectors.toList());
    System.out.println("RESULT driver=" + find() + " executors=" + String.join("|", found));
    session.stop();
  }

  private static String find() throws Exception {
    return say("First") + "," + say("Second") + "," + say("Third") + "," + say("Remote");
  }

  /** By name, so that a job without one of the jars says so, and does not fail. */
  private static String say(String name) throws Exception {
    try {
      Class<?> type = Class.forName(name, true, Thread.currentThread().getContextClassLoader());
      return (String) type.getMethod("say").invoke(null);
    } catch (ClassNotFoundException missing) {
      return "no " + name;
    }
  }
}
