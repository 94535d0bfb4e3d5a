public class Third {
  public static String say() {
    return "third";
  }
}
