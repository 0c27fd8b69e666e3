import java.math.BigDecimal;
import java.sql.*;
import java.util.Properties;

/** Reads as JDBC programs do: prepared statements, binary transfer, a fetch size, metadata, an error, a cancel. */
public class Client {
  static void check(boolean ok, String what) {
    if (!ok) throw new IllegalStateException(what);
  }

  public static void main(String[] args) throws Exception {
    Properties p = new Properties();
    p.setProperty("user", "alice");
    p.setProperty("password", System.getenv("PGPASSWORD"));
    p.setProperty("sslmode", "verify-full");
    p.setProperty("sslrootcert", args[1]);
    p.setProperty("prepareThreshold", "2");
    for (String mode : new String[] {"extended", "extendedForPrepared", "extendedCacheEverything", "simple"}) {
      p.setProperty("preferQueryMode", mode);
      try (Connection c = DriverManager.getConnection(args[0], p)) {
        check(c.getMetaData().getDatabaseMajorVersion() == 15, "the version");
        c.setReadOnly(true);
        try (PreparedStatement s = c.prepareStatement("SELECT n, name, lucky FROM numbers WHERE n = ?::bigint AND name = ?::text")) {
          for (int i = 70; i < 78; i++) {
            s.setLong(1, i);
            s.setString(2, "row " + i);
            try (ResultSet r = s.executeQuery()) {
              check(r.next() && r.getLong(1) == i && r.getString("name").equals("row " + i) && r.getBoolean(3) == (i % 7 == 0) && !r.next(), "a row");
            }
          }
        }
        try (PreparedStatement s = c.prepareStatement("SELECT 1.50::DECIMAL(5,2), '2026-11-20 15:04:05.25'::TIMESTAMP, [1,2,NULL]::INTEGER[], '123e4567-e89b-12d3-a456-426614174000'::UUID, 0.1::DOUBLE, 'AB'::BLOB, '2026-11-20'::DATE")) {
          for (int i = 0; i < 5; i++) {
            try (ResultSet r = s.executeQuery()) {
              check(r.next(), "a row");
              check(r.getBigDecimal(1).equals(new BigDecimal("1.50")), "numeric");
              check(r.getTimestamp(2).toLocalDateTime().toString().equals("2026-11-20T15:04:05.250"), "timestamp");
              Integer[] a = (Integer[]) r.getArray(3).getArray();
              check(a.length == 3 && a[1] == 2 && a[2] == null, "array");
              check(r.getObject(4).equals(java.util.UUID.fromString("123e4567-e89b-12d3-a456-426614174000")), "uuid");
              check(r.getDouble(5) == 0.1 && r.getBytes(6).length == 2 && r.getDate(7).toString().equals("2026-11-20"), "the rest");
            }
          }
        }
        c.setAutoCommit(false);
        try (Statement s = c.createStatement()) {
          s.setFetchSize(1000);
          long sum = 0;
          try (ResultSet r = s.executeQuery("SELECT n FROM numbers ORDER BY n LIMIT 5000")) {
            while (r.next()) sum += r.getLong(1);
          }
          check(sum == 4999L * 5000 / 2, "the sum in pieces");
          try {
            s.executeQuery("SELECT nowhere");
            check(false, "an error was not seen");
          } catch (SQLException e) {
            check(e.getSQLState().equals("42703"), e.getSQLState());
          }
          c.rollback();
          s.setQueryTimeout(1);
          try {
            s.executeQuery("SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b");
            check(false, "the time limit was not seen");
          } catch (SQLException e) {
            check(e.getSQLState().equals("57014"), e.getSQLState());
          }
          c.rollback();
        }
      }
    }
    System.out.println("done");
  }
}
