import java.sql.*;

// Asks for everything that reflection by JDBC asks for.
public class Metadata {
  interface Question { ResultSet ask() throws SQLException; }
  interface Line { String of(ResultSet r) throws SQLException; }

  static int each(String what, Question q, Line l) {
    int n = 0;
    try (ResultSet r = q.ask()) {
      for (; r.next(); n++) { String s = l.of(r); if (s != null) System.out.println(s); }
    } catch (Exception e) { System.out.println(what + " FAILED " + e); }
    return n;
  }

  public static void main(String[] a) throws Exception {
    try (Connection c = DriverManager.getConnection(a[0])) {
      DatabaseMetaData m = c.getMetaData();
      Line none = r -> null;
      each("schemas", m::getSchemas, r -> "schema " + r.getString(1));
      each("catalogs", m::getCatalogs, none);
      each("tables", () -> m.getTables(null, null, "%", new String[] {"TABLE", "VIEW"}), r -> "table " + r.getString(2) + "." + r.getString(3) + " " + r.getString(4));
      each("all tables", () -> m.getTables(null, null, "%", null), none);
      each("columns", () -> m.getColumns(null, "fleet", "device", "%"),
          r -> "column " + r.getString(3) + "." + r.getString(4) + " " + r.getString(6) + " " + r.getInt(5) + (r.getInt(5) == 2 ? " " + r.getInt(7) + " " + r.getInt(9) : ""));
      each("all columns", () -> m.getColumns(null, null, "%", null), none);
      System.out.println("keys " + each("primary", () -> m.getPrimaryKeys(null, "fleet", "device"), none) + " " + each("imported", () -> m.getImportedKeys(null, "fleet", "device"), none)
          + " " + each("exported", () -> m.getExportedKeys(null, "fleet", "device"), none) + " " + each("index", () -> m.getIndexInfo(null, "fleet", "device", false, true), none));
      each("types", m::getTypeInfo, r -> r.getString(1).equals("uuid") ? "type uuid" : null);
      each("procedures", () -> m.getProcedures(null, null, "%"), none);
      each("functions", () -> m.getFunctions(null, "fleet", "%"), none);
      each("function columns", () -> m.getFunctionColumns(null, "fleet", "%", null), none);
      each("user types", () -> m.getUDTs(null, null, "%", null), none);
      each("best row", () -> m.getBestRowIdentifier(null, "fleet", "device", DatabaseMetaData.bestRowSession, true), none);
      each("table privileges", () -> m.getTablePrivileges(null, "fleet", "%"), none);
      each("column privileges", () -> m.getColumnPrivileges(null, "fleet", "device", "%"), none);
      each("keywords", () -> { m.getSQLKeywords(); m.getMaxColumnNameLength(); return m.getTableTypes(); }, none);
      System.out.println("catalog " + c.getCatalog() + " " + c.getSchema());
    }
  }
}
