"""What is for sale, as the landing page shows it: the plan table, and what a month would cost."""
