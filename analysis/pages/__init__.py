"""Pages: the report, its sections and sentences, its tables, and the comparison of two records."""
