//! The tests every adapter passes; together they define the port.
