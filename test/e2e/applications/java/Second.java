public class Second {
  public static String say() {
    return "second";
  }
}
