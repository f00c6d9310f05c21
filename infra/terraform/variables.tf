variable "bucket" {
  description = "Name of the bucket that holds the drop folder and the lake. It is created."
  type        = string
}

variable "drop_prefix" {
  description = "Where others put documents, without slashes at its ends. Pagefold only reads it."
  type        = string
  default     = "drop"
}

variable "lake_prefix" {
  description = "Where the tables go, without slashes at its ends; not inside the drop prefix."
  type        = string
  default     = "lake"
}

variable "model_prefix" {
  description = "Where the weights lie, without slashes at its ends. Pagefold only reads it."
  type        = string
  default     = "models"
}

variable "name" {
  description = "Name of the queue, the role and the policy."
  type        = string
  default     = "pagefold"
}

variable "assume_role_policy" {
  description = "JSON of who may take the role: an EKS service account (IRSA or Pod Identity), an EC2 instance profile, …"
  type        = string
}

variable "eventbridge" {
  description = "Send notifications through EventBridge instead of straight to the queue: for several receivers, or replay."
  type        = bool
  default     = false
}

variable "visibility_timeout_s" {
  description = "Seconds a received event stays hidden before it is delivered again."
  type        = number
  default     = 300
}

variable "max_receives" {
  description = "An event received this often without being deleted goes to the dead-letter queue."
  type        = number
  default     = 5
}

variable "noncurrent_days" {
  description = "Days that overwritten and deleted objects are kept. A plan reads the version that it listed, or says `changed`."
  type        = number
  default     = 30
}
