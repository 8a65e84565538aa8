"""What all pages share: figures, tables, charts, cards, notices."""
