"""What the console's pages show and do, across domains: `tollway.web.console.ports` over one installation."""
