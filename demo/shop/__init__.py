"""The shop alive: three months of customers, usage, invoices and tickets, told as if they had happened."""
