import java.math.BigDecimal;
import java.sql.*;
import java.time.*;
import java.util.*;

/** Parameters as JDBC programs set them, in text and in binary, described and not. It prints what goes wrong, and "done". */
public class Parameters {
  interface Setter {
    void on(PreparedStatement s) throws SQLException;
  }

  static Connection c;
  static String mode;

  static String shown(Object o) throws SQLException {
    if (o instanceof java.sql.Array a) o = a.getArray();
    if (o instanceof byte[] b) return HexFormat.of().formatHex(b);
    if (o instanceof Object[] list) {
      StringJoiner all = new StringJoiner(",", "[", "]");
      for (Object e : list) all.add(shown(e));
      return all.toString();
    }
    return String.valueOf(o);
  }

  /** The third time a statement is prepared on the server, and its types are known to the driver. */
  static void holds(String sql, Setter set, String want) {
    try (PreparedStatement s = c.prepareStatement(sql)) {
      for (int i = 0; i < 3; i++) {
        set.on(s);
        try (ResultSet r = s.executeQuery()) {
          String got = r.next() ? shown(r.getObject(1)) : "nothing";
          if (!got.equals(want)) System.out.println(mode + " " + sql + ": " + got + ", want " + want);
        }
      }
    } catch (SQLException e) {
      System.out.println(mode + " " + sql + ": " + e.getSQLState() + " " + e.getMessage());
    }
  }

  static void array(String kind, Object[] elements, String want) {
    holds("SELECT ?::" + kind + "[]", s -> s.setArray(1, c.createArrayOf(kind.replaceAll("\\(.*", ""), elements)), want);
    holds("SELECT ?::" + kind + "[]", s -> s.setArray(1, c.createArrayOf(kind.replaceAll("\\(.*", ""), new Object[] {})), "[]");
    holds("SELECT ?::" + kind + "[]", s -> s.setNull(1, Types.ARRAY), "null");
  }

  public static void main(String[] args) throws Exception {
    UUID device = UUID.fromString(args[1]);
    Timestamp at = Timestamp.valueOf("2026-01-02 03:04:05.6");
    String devices = "SELECT count(*) > 0 FROM fleet.device WHERE ";
    for (String form : new String[] {"extended", "extendedCacheEverything", "simple"}) {
      for (String binary : new String[] {"true", "false"}) {
        Properties p = new Properties();
        p.setProperty("preferQueryMode", form);
        p.setProperty("binaryTransfer", binary);
        p.setProperty("prepareThreshold", "2");
        mode = form + ", binary " + binary;
        c = DriverManager.getConnection(args[0], p);
        array("integer", new Integer[] {1, 2, null}, "[1,2,null]");
        array("bigint", new Long[] {1L << 40, null}, "[1099511627776,null]");
        array("text", new String[] {"a\"b", "c,d", null, "", "NULL", "\\"}, "[a\"b,c,d,null,,NULL,\\]");
        array("uuid", new UUID[] {device, null}, "[" + device + ",null]");
        array("boolean", new Boolean[] {true, null, false}, "[true,null,false]");
        array("numeric(10,2)", new BigDecimal[] {new BigDecimal("1.50"), null}, "[1.50,null]");
        array("float8", new Double[] {1.5, null, Double.NaN}, "[1.5,null,NaN]");
        array("timestamp", new Timestamp[] {at, null}, "[" + at + ",null]");
        array("timestamptz", new Timestamp[] {at, null}, "[" + at + ",null]");
        array("date", new java.sql.Date[] {java.sql.Date.valueOf("2026-01-02"), null}, "[2026-01-02,null]");
        array("bytea", new byte[][] {{0, (byte) 255}, null}, "[00ff,null]");
        holds(devices + "model_id = ANY(?)", s -> s.setArray(1, c.createArrayOf("integer", new Integer[] {-1, null})), "false");
        holds(devices + "model_id <> ALL(?)", s -> s.setArray(1, c.createArrayOf("bigint", new Long[] {-1L})), "true");
        holds(devices + "model_id <> ALL(?)", s -> s.setArray(1, c.createArrayOf("numeric", new BigDecimal[] {new BigDecimal("0.5")})), "true");
        holds(devices + "device_id = ANY(?)", s -> s.setArray(1, c.createArrayOf("uuid", new UUID[] {device})), "true");
        holds(devices + "device_id = ANY(?)", s -> s.setArray(1, c.createArrayOf("uuid", new UUID[] {})), "false");
        holds(devices + "hardware_rev <> ALL(?)", s -> s.setArray(1, c.createArrayOf("varchar", new String[] {"a\"b", "c,d"})), "true");
        holds(devices + "first_activated_at <> ALL(?)", s -> s.setArray(1, c.createArrayOf("timestamp", new Timestamp[] {at})), "true");
        holds(devices + "device_id = ?", s -> s.setObject(1, device), "true");
        holds(devices + "device_id = ?::uuid", s -> s.setString(1, device.toString()), "true");
        holds(devices + "model_id > ?", s -> s.setBigDecimal(1, new BigDecimal("-0.5")), "true");
        holds(devices + "first_activated_at > ?", s -> s.setObject(1, OffsetDateTime.parse("2000-01-02T03:04:05+02:00")), "true");
        holds(devices + "first_activated_at > ?", s -> s.setTimestamp(1, Timestamp.valueOf("2000-01-01 00:00:00")), "true");
        holds(devices + "model_id = ?", s -> s.setNull(1, Types.INTEGER), "false");
        holds(devices + "model_id = ?", s -> s.setObject(1, null), "false");
        holds(devices + "is_synthetic = ? OR NOT is_synthetic = ?", s -> { s.setBoolean(1, true); s.setBoolean(2, true); }, "true");
        holds("SELECT ?::timestamp", s -> s.setObject(1, LocalDateTime.of(2026, 1, 2, 3, 4, 5)), "2026-01-02 03:04:05.0");
        holds("SELECT ?::date", s -> s.setObject(1, LocalDate.of(2026, 1, 2)), "2026-01-02");
        holds("SELECT ?::numeric(10,2)", s -> s.setBigDecimal(1, new BigDecimal("1.5")), "1.50");
        holds("SELECT round(1.55::float8, ?)", s -> s.setInt(1, 1), "1.6");
        if (form.equals("simple")) continue; // the driver writes bytes as a question mark, and lists without their type
        holds("SELECT ?::bytea", s -> s.setBytes(1, new byte[] {0, (byte) 255}), "00ff");
        holds("SELECT ?::int[]", s -> s.setObject(1, new int[] {1, 2}), "[1,2]");
        holds("SELECT sum(d) FROM generate_series(?, ?) AS d", s -> { s.setInt(1, 1); s.setInt(2, 3); }, "6");
        holds("SELECT sum(x) FROM unnest(?) AS x", s -> s.setArray(1, c.createArrayOf("integer", new Integer[] {1, 2})), "3");
        c.close();
      }
    }
    System.out.println("done");
  }
}
