"""The sample network: five invented sites about Japan, their readers, and the truth behind them."""
