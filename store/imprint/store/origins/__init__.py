"""Where code came from: blame, why and audit over everything that claims an origin."""
