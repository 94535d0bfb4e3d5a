public class First {
  public static String say() {
    return "first";
  }
}
