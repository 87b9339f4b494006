"""Training by several processes: started together, agreeing on each step, with the frozen layers whole or sharded."""
