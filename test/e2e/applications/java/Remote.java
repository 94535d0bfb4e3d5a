public class Remote {
  public static String say() {
    return "remote";
  }
}
