"""Getting paid: saved methods, collection of final invoices, refunds."""
