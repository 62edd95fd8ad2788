# Condition numbers of the Kronecker factors: Rscript factors.R gradient.arrow
tensors <- as.data.frame(arrow::read_ipc_stream(commandArgs(TRUE)[1]))
for (i in which(tensors$role %in% c("kron_a", "kron_b"))) {
  side <- tensors$shape[[i]][1]
  cat(tensors$name[i], tensors$role[i], kappa(matrix(tensors$value[[i]], side), exact = TRUE), "\n")
}
