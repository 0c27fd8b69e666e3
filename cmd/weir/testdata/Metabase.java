import java.io.*;
import java.nio.charset.StandardCharsets;
import java.sql.*;
import java.time.*;
import java.util.*;

// Does on a connection what Metabase does when it synchronises a database and asks its first questions. Standard input holds statements: a line "=== NAME", then SQL, then lines "-- ? VALUE" for its parameters.
// Each statement is answered by one line "NAME: column type, … | row | …", at most a hundred rows, or by "NAME FAILED SQLSTATE message".
public class Metabase {
  interface Question { ResultSet ask() throws SQLException; }
  interface Line { String of(ResultSet r) throws SQLException; }

  static void each(String what, Question q, Line l) {
    try (ResultSet r = q.ask()) {
      while (r.next()) { String s = l.of(r); if (s != null) System.out.println(what + " " + s); }
    } catch (Exception e) { System.out.println(what + " FAILED " + e); }
  }

  static Object value(String text) {
    String[] p = text.split(" ", 2);
    switch (p[0]) {
      case "int": return Integer.valueOf(p[1]);
      case "long": return Long.valueOf(p[1]);
      case "double": return Double.valueOf(p[1]);
      case "bool": return Boolean.valueOf(p[1]);
      case "date": return LocalDate.parse(p[1]);
      case "datetime": return LocalDateTime.parse(p[1]);
      case "offset": return OffsetDateTime.parse(p[1]);
      case "uuid": return UUID.fromString(p[1]);
      default: return p[1];
    }
  }

  static void run(Connection c, String name, String sql, List<Object> values) {
    try (PreparedStatement s = c.prepareStatement(sql, ResultSet.TYPE_FORWARD_ONLY, ResultSet.CONCUR_READ_ONLY, ResultSet.CLOSE_CURSORS_AT_COMMIT)) {
      s.setFetchDirection(ResultSet.FETCH_FORWARD);
      s.setFetchSize(500);
      s.setQueryTimeout(15);
      for (int i = 0; i < values.size(); i++) s.setObject(i + 1, values.get(i));
      StringBuilder out = new StringBuilder(name + ":");
      if (!s.execute()) { System.out.println(out); return; }
      try (ResultSet r = s.getResultSet()) {
        ResultSetMetaData m = r.getMetaData();
        for (int i = 1; i <= m.getColumnCount(); i++) { m.isAutoIncrement(i); out.append(i > 1 ? ", " : " ").append(m.getColumnLabel(i)).append(" ").append(m.getColumnTypeName(i)); }
        for (int n = 0; r.next(); n++) {
          if (n >= 100) continue;
          out.append(" |");
          for (int i = 1; i <= m.getColumnCount(); i++) out.append(" ").append(r.getObject(i));
        }
      }
      System.out.println(out);
    } catch (SQLException e) { System.out.println(name + " FAILED " + e.getSQLState() + " " + e.getMessage().replace('\n', ' ')); }
  }

  public static void main(String[] a) throws Exception {
    Properties p = new Properties();
    p.setProperty("ApplicationName", "Metabase v0.50.1 [0c4d2b1e]");
    p.setProperty("OpenSourceSubProtocolOverride", "true");
    p.setProperty("prepareThreshold", "0");
    try (Connection c = DriverManager.getConnection(a[0], p)) {
      DatabaseMetaData m = c.getMetaData();
      for (int level : new int[] {Connection.TRANSACTION_READ_UNCOMMITTED, Connection.TRANSACTION_REPEATABLE_READ, Connection.TRANSACTION_READ_COMMITTED}) {
        if (m.supportsTransactionIsolationLevel(level)) { c.setTransactionIsolation(level); break; }
      }
      c.setReadOnly(true);
      c.setAutoCommit(true);
      c.setHoldability(ResultSet.CLOSE_CURSORS_AT_COMMIT);
      System.out.println("product " + m.getDatabaseProductName() + " " + m.getDatabaseMajorVersion() + " " + m.getDatabaseMinorVersion() + " valid " + c.isValid(5) + " level " + c.getTransactionIsolation());
      List<String> schemas = new ArrayList<>();
      each("schema", m::getSchemas, r -> { schemas.add(r.getString("TABLE_SCHEM")); return r.getString("TABLE_SCHEM"); });
      each("catalog", m::getCatalogs, r -> r.getString(1));
      schemas.removeAll(Arrays.asList("information_schema", "pg_catalog"));
      String[] types = {"TABLE", "PARTITIONED TABLE", "VIEW", "FOREIGN TABLE", "MATERIALIZED VIEW", "EXTERNAL TABLE", "DYNAMIC_TABLE"};
      for (String schema : schemas) {
        List<String> tables = new ArrayList<>();
        each("table", () -> m.getTables(null, schema, "%", types), r -> { tables.add(r.getString("TABLE_NAME")); return schema + "." + r.getString("TABLE_NAME") + " " + r.getString("TABLE_TYPE") + " " + r.getString("REMARKS"); });
        for (String t : tables) {
          each("column", () -> m.getColumns(null, schema, t, null),
              r -> schema + "." + t + "." + r.getString("COLUMN_NAME") + " " + r.getString("TYPE_NAME") + " " + r.getString("COLUMN_DEF") + " " + r.getInt("NULLABLE") + " " + r.getString("IS_AUTOINCREMENT") + " " + r.getString("REMARKS"));
          each("primary", () -> m.getPrimaryKeys(null, schema, t), r -> schema + "." + t + "." + r.getString("COLUMN_NAME"));
          each("imported", () -> m.getImportedKeys(null, schema, t), r -> schema + "." + t + "." + r.getString("FKCOLUMN_NAME"));
          each("index", () -> m.getIndexInfo(null, schema, t, false, true), r -> schema + "." + t + "." + r.getString("COLUMN_NAME"));
        }
      }
      each("type", m::getTypeInfo, r -> r.getString(1).matches("uuid|timestamptz") ? r.getString(1) : null);
      BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
      String name = null;
      StringBuilder sql = new StringBuilder();
      List<Object> values = new ArrayList<>();
      for (String line = in.readLine(); ; line = in.readLine()) {
        if (line == null || line.startsWith("=== ")) {
          if (name != null) run(c, name, sql.toString().strip(), values);
          if (line == null) break;
          name = line.substring(4);
          sql.setLength(0);
          values.clear();
        } else if (line.startsWith("-- ? ")) {
          values.add(value(line.substring(5)));
        } else {
          sql.append(line).append('\n');
        }
      }
    }
  }
}
